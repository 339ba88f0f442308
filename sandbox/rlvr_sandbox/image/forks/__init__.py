"""The zygote's preparations before it forks: hooks put off, a rehearsal, limits, the filter of system calls."""

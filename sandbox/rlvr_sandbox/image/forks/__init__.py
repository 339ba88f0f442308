"""The zygote's preparations before it forks: hooks put off, a rehearsal, the filter of system calls."""

"""The places of things inside the sandbox."""

SITE = "/opt/site"
"""Packages that programs may import besides the standard library."""

WORK = "/work"
"""The folder in which programs start."""

CONTROL_GROUP = "/sys/fs/cgroup"
"""The folder where the sandbox sees the files of its own control group, if it has one."""

WRITABLE = (WORK, "/tmp", "/dev/shm", "/dev/mqueue")
"""All that a program could write to, if it is there."""

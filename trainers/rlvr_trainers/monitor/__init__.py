"""Detectors of reward hacking, one idea each: functions from judged groups to figures, which no gradient ever sees."""

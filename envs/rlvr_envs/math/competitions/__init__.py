"""Problems of competitions and courses to test on; how one is asked and judged is in `rlvr_envs.math.problems`."""

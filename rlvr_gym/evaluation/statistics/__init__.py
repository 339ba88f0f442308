"""From judged samples to numbers with error bars: estimators, intervals, tallies of problems, summaries."""

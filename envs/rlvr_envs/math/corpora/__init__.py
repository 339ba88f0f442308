"""Large sets of problems to train on; problems of competitions, which others test on, stand in each of them."""

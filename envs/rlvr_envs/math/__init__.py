"""Mathematics: problems whose answer is a number or an expression."""

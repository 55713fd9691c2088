"""`rooms`: a simulator of furnished rooms and cluttered table-tops on MuJoCo, all from a seed."""

"""parlour/1 written a second time, from PROTOCOL.md alone, to check the first implementation against."""

"""parlour/1 written a second time, from PROTOCOL.md alone unless a module says otherwise, to check the first implementation against."""

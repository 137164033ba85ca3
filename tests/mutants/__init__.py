"""What the suite covers, and which mutants of the code it lets live: `make coverage`, `make mutants`."""

"""What tests of every ring share: real servers, waiting for conditions, sample input."""

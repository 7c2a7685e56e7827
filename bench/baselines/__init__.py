"""What Shardboard is measured against: plain programs as most teams would write them, and bare loops."""

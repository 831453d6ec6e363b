"""What a window means at a repository: its dates, how its ends are treated, and which errors mean an empty list."""

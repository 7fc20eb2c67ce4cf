"""What was recovered of prompts, beside what nobody needs to see."""

"""The broken copies, and the audit of the audits."""

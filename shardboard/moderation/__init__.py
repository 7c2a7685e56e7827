"""What moderators do from the command line: orders through the gateway, the audit and a user's data from Postgres."""

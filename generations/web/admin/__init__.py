"""The pages of the admin, for owners and admins. Plain lists of rows are in `generations/admin`."""

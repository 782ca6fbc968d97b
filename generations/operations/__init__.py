"""Operations that commands run: demo data and sample data."""

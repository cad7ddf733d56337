//! The page of duplicates. It shows them; what to do about them is the person's business.

"""Keys, signatures and what is attested with them."""

"""A dossier: all that is known of a version in one archive that proves itself."""

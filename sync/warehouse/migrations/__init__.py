"""Hold the numbered changes of the core tables; ``sync.warehouse.upgrade`` runs them. There is no ini file."""

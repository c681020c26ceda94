"""Carry query lists to the sites, one adapter a way out. The file bundle (CSV and XLSX) is the baseline."""

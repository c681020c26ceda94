"""Borrow the stage of the acceptance tests."""

from tests.acceptance.conftest import invented, served, true_projects

__all__ = ["invented", "served", "true_projects"]

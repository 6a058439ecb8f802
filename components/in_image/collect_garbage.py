"""Run `mlflow gc` with the database's URI from the environment, and the arguments that are given.

`mlflow gc` itself reads the URI from its command line only, which every user of the node can read.
"""

# pyright: reportMissingImports=false
import os
import sys

import database_uri
import exclusive
from mlflow.cli import cli

for name in database_uri.VARIABLES:
    if name in os.environ:
        os.environ[name] = database_uri.patient(os.environ[name])
database_uri.watch()
try:
    # A backup that copies artifacts after the database must find what the database names.
    with exclusive.held(os.environ["MLFLOW_BACKEND_STORE_URI"], "housekeeping", 900, print):
        cli(["gc", "--backend-store-uri", os.environ["MLFLOW_BACKEND_STORE_URI"], *sys.argv[1:]])
except exclusive.HeldError as error:
    sys.exit(f"garbage collection: refused: {error}; the next run deletes what this one has not")

"""`python -m components.operations`, the same as `pulumi-mlflow`."""

import sys


def main() -> None:
    """Run the command line, if what it needs is installed."""
    try:
        from .cli import app
    except ModuleNotFoundError as error:
        sys.exit(f"error: there is no {error.name}\n  fix: Install the command line: pip install 'pulumi-mlflow[cli]'")
    app()


if __name__ == "__main__":
    main()

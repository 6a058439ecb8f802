"""Database, storage account and identity on Azure. Imported only when chosen, since its modules import the Azure SDK."""

"""What resources of any provider may need: a class without their SDK's, and the refusal of an older engine of a database."""

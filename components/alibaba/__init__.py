"""Alibaba Cloud. Nothing is created there: bucket and RAM role exist already."""

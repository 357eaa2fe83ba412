"""Spans of OpenTelemetry, where the host has its API."""

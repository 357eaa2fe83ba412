"""The vocabulary: guarded XML, stanzas, JIDs, conditions, namespaces."""

"""Names, formats and pure rules that several parts depend on. Nothing here touches the world, except `clock`."""

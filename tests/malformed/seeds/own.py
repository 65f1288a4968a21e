def figure(path: str) -> float:
    return 1.0

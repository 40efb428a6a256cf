"""Operations at run time: found, bound, decided, run — the same way for every door."""

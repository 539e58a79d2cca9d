//! Dolmen: a SQL and dataframe query engine.

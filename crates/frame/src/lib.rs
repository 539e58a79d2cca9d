//! Tables: SQL, the catalog and DataFusion planning.

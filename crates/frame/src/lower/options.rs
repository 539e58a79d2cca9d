use std::fmt;
use std::str::FromStr;

use datafusion::common::config::{ConfigExtension, ConfigField, Visit};
use datafusion::common::extensions_options;
use datafusion::error::{DataFusionError, Result};

extensions_options! {
    /// Settings of plans as tasks.
    pub struct LoweringOptions {
        /// How plans run: `pipelined`, all partitions at the same time; `staged`, cut into stages whose rows wait in memory or on disk; `auto`, staged where the memory limit asks for it.
        pub execution_form: Form, default = Form::Auto
    }
}

impl ConfigExtension for LoweringOptions {
    const PREFIX: &'static str = "dolmen";
}

/// How a plan becomes tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Form {
    /// Pipelined, unless the memory limit asks for stages.
    #[default]
    Auto,
    /// All partitions at the same time.
    Pipelined,
    /// Cut into stages.
    Staged,
}

impl FromStr for Form {
    type Err = DataFusionError;

    fn from_str(text: &str) -> Result<Self> {
        match text.to_lowercase().as_str() {
            "auto" => Ok(Self::Auto),
            "pipelined" => Ok(Self::Pipelined),
            "staged" => Ok(Self::Staged),
            _ => Err(DataFusionError::Configuration("it is auto, pipelined or staged".to_owned())),
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Pipelined => "pipelined",
            Self::Staged => "staged",
        })
    }
}

impl ConfigField for Form {
    fn visit<V: Visit>(&self, v: &mut V, key: &str, description: &'static str) {
        v.some(key, self, description);
    }

    fn set(&mut self, _: &str, value: &str) -> Result<()> {
        *self = value.parse()?;
        Ok(())
    }
}

use std::any::Any;
use std::fmt;
use std::str::FromStr;

use datafusion::common::config::{ConfigEntry, ConfigExtension, ExtensionOptions};
use datafusion::error::{DataFusionError, Result};

/// Settings of plans as tasks.
#[derive(Debug, Clone, Default)]
pub(crate) struct LoweringOptions {
    /// How plans run.
    pub(crate) execution_form: Form,
    /// Whether what runs is not the plan, but what its bytes become.
    pub(crate) plans_as_bytes: bool,
    /// Whether the plan that is made is cut into stages. No setting.
    pub(crate) is_for_stages: bool,
}

const FORM: &str = "execution_form";
const AS_BYTES: &str = "plans_as_bytes";

impl ExtensionOptions for LoweringOptions {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        match key {
            FORM => self.execution_form = value.parse()?,
            AS_BYTES => {
                let wrong = |_| DataFusionError::Configuration("it is true or false".to_owned());
                self.plans_as_bytes = value.to_lowercase().parse().map_err(wrong)?;
            }
            _ => return Err(DataFusionError::Configuration(format!("dolmen has no setting {key}"))),
        }
        Ok(())
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        let form = ConfigEntry {
            key: format!("{}.{FORM}", Self::PREFIX),
            value: Some(self.execution_form.to_string()),
            description: "How plans run: \"pipelined\", all partitions at the same time; \"staged\", cut into stages whose \
                          rows wait in memory or on disk; \"auto\", staged where the memory limit asks for it.",
        };
        let as_bytes = ConfigEntry {
            key: format!("{}.{AS_BYTES}", Self::PREFIX),
            value: Some(self.plans_as_bytes.to_string()),
            description: "Whether plans are written as bytes and read again before they run, as if they came from another \
                          process: a check of their encoding. Plans that have none run as they are.",
        };
        vec![form, as_bytes]
    }
}

impl ConfigExtension for LoweringOptions {
    const PREFIX: &'static str = "dolmen";
}

/// How a plan becomes tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Form {
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

//! `mcp`, and the options for assistants that `serve` has too.

use clap::{Args, ValueEnum};

/// Let an assistant search your photos: a server of the Model Context Protocol (MCP), which the assistant starts.
///
/// You do not start this command yourself: you name it in the settings of an assistant, which starts it. docs/MCP.md says
/// how. The assistant can only read. It sees small versions of the photos that it asks for, and what is known of them, and
/// sends both to its provider, unless it runs on your own machine. `imgsearch serve` has the same tools at `/mcp`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  claude mcp add photos -- imgsearch mcp
  imgsearch mcp --mcp-paths none --hide-places")]
pub(crate) struct McpArgs {
    #[command(flatten)]
    pub(crate) paths: McpPathsArgs,

    /// Hide where photos were taken.
    ///
    /// Example: `imgsearch mcp --hide-places`
    #[arg(long)]
    pub(crate) hide_places: bool,
}

/// The paths that assistants see.
#[derive(Debug, Args)]
pub(crate) struct McpPathsArgs {
    /// Which paths assistants see: below the folder that has all photos, whole ones, or none.
    ///
    /// If the photos have no folder in common, `relative` shows each file name with its folder.
    /// Example: `imgsearch mcp --mcp-paths none`
    #[arg(long, value_name = "PATHS", value_enum, default_value_t = McpPaths::Relative)]
    pub(crate) mcp_paths: McpPaths,
}

/// Which paths assistants see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum McpPaths {
    Relative,
    Absolute,
    None,
}

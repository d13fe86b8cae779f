//! `parlour`: the node and its command line in one binary. This file starts the process; [`commands`] does the work.

mod args;
mod client;
mod commands;
mod config;
mod connect;
mod doors;
mod events;
mod failure;
mod handles;
mod lan;
mod limits;
mod logs;
mod memory;
mod output;
mod password;
mod stop;
mod text;
mod view;

use std::process::ExitCode;

use crate::output::Output;

fn main() -> ExitCode {
    let cli = match args::typed() {
        Ok(cli) => cli,
        Err(error) => return not_understood(&error),
    };
    memory::settle(&cli);
    let out = Output::new(&cli.global);
    logs::start(&cli);
    // QUIC brings in two providers of cryptography, so that the process has to choose; who came first has chosen the same.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&out, &anyhow::Error::new(error).context("cannot start")),
    };
    match runtime.block_on(commands::dispatch(cli, &out)) {
        Ok(code) => code,
        Err(error) if failure::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => failed(&out, &error),
    }
}

/// Help and the version are asked for; all else is wrong usage, and said as JSON to whoever wants JSON.
fn not_understood(error: &clap::Error) -> ExitCode {
    if error.use_stderr() && std::env::args_os().any(|word| word == "--json") {
        output::wrong_usage(error.to_string().trim_end());
        return ExitCode::from(2);
    }
    error.exit()
}

fn failed(out: &Output, error: &anyhow::Error) -> ExitCode {
    out.failure(error);
    ExitCode::FAILURE
}

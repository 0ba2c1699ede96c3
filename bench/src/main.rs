//! How fast is it? Benchmarks on the real stack.

mod controller;
mod gateway;
mod plot;
mod portal;
mod sample;
mod shop;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Benchmarks on the real stack, with a release build of the controller.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench", version)]
struct Arguments {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Debug, Subcommand)]
enum Benchmark {
    /// What the controller takes: time beside a raw client, CPU, memory, connections.
    Controller(controller::Arguments),
    /// From an acknowledged change to the first answer that shows it.
    Gateway(gateway::Arguments),
    /// From a question to the portal's server to its answer.
    Portal(portal::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Arguments::parse().benchmark {
        Benchmark::Controller(arguments) => controller::run(&arguments).await,
        Benchmark::Gateway(arguments) => gateway::run(&arguments).await,
        Benchmark::Portal(arguments) => portal::run(&arguments).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

//! Tests of the index through its public interface.

// Everything is behind `cfg(test)`, because clippy allows `unwrap` only there.
#[cfg(test)]
mod concurrency;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod durability;
#[cfg(test)]
mod exact;
#[cfg(test)]
mod extracts;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod format;
#[cfg(test)]
mod generations;
#[cfg(test)]
mod graphs;
#[cfg(test)]
mod model;
#[cfg(test)]
mod outside;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod searching;
#[cfg(test)]
mod space;
#[cfg(test)]
mod truth;
#[cfg(test)]
mod writing;

//! Writes each target's seeds into a folder of its name: `cargo run -p sealsum-fuzz --example seeds
//! -- FOLDER`. A fuzzer takes them beside the corpus.

use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        return Err(std::io::Error::other("name the folder to write to"));
    };
    for target in &sealsum_fuzz::TARGETS {
        let folder = folder.join(target.name);
        std::fs::create_dir_all(&folder)?;
        for seed in (target.seeds)() {
            std::fs::write(folder.join(seed.name), seed.input)?;
        }
    }
    Ok(())
}

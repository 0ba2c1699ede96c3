//! How is the container image made? As an OCI image layout, without a container engine:
//! one layer with the program and what it reads, the same bits for the same commit.

mod trial;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use devportal_stack::{Progress, cargo, load_image, repository};
use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};
use tokio::process::Command;

/// Who runs it: nobody in particular, and not root.
const USER: u32 = 65532;
/// Cargo's profile of a program that nobody ships.
const DEV: &str = "dev";
/// Cargo's profile of the program that is shipped.
const SHIPPED: &str = "image";
/// What an image that is shipped takes at most, in bytes: nodes pull it when a pod is wanted.
const LARGEST: usize = 25_000_000;
const AUTHORITIES: &str = "etc/ssl/certs/ca-certificates.crt";

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask image
  cargo xtask image --output /tmp/devportal --tag 0.1.0
  cargo xtask image --load              for the pods of cargo xtask up --with node
  skopeo copy oci:target/image:0.1.0 docker://registry.example.com/devportal:0.1.0
  ctr -n k8s.io images import --base-name localhost/devportal target/image.tar")]
pub(crate) struct Arguments {
    /// The folder of the image layout; the same as one file goes beside it, as FOLDER.tar.
    #[arg(long, default_value = "target/image", value_name = "FOLDER")]
    output: PathBuf,
    /// The name of the image in it.
    #[arg(long, default_value = env!("CARGO_PKG_VERSION"))]
    tag: String,
    /// Cargo's profile; `dev` is built in a fraction of the time, and is slow and large.
    #[arg(long, default_value = "image")]
    profile: String,
    /// Also unpack it with umoci and run it with runc, as root.
    #[arg(long)]
    run: bool,
    /// Also load it into the node of the stack, as localhost/devportal.
    #[arg(long)]
    load: bool,
    /// Make none, and load this archive of one that is made.
    #[arg(long, requires = "load", value_name = "FILE")]
    archive: Option<PathBuf>,
}

pub(crate) async fn run(dir: &Path, arguments: &Arguments) -> Result<ExitCode> {
    if let Some(archive) = &arguments.archive {
        load_image(dir, archive, Progress::detect()).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let target = target().await?;
    check_target(&arguments.profile, &target)?;
    let source = source().await?;
    let what = format!("build devportal for {target}");
    let program = Progress::detect()
        .step(&what, build(&target, &arguments.profile, &source))
        .await?;
    let binary = fs::read(&program)?;
    ensure!(
        is_static(&binary),
        "{} needs a dynamic linker",
        program.display()
    );
    let is_small = arguments.profile != DEV;
    let image = Image::of(&binary, &source, &arguments.tag, is_small)?;
    check_size(&arguments.profile, image.size())?;
    image.write(&arguments.output)?;
    let archive = arguments.output.with_extension("tar");
    fs::write(&archive, image.archive()?)?;
    if arguments.run {
        trial::run(&arguments.output, &arguments.tag).await?;
    }
    if arguments.load {
        load_image(dir, &archive, Progress::detect()).await?;
    }
    println!(
        "{}:{} {}\n{:.1} MiB, the program {:.1} MiB\n{}",
        arguments.output.display(),
        arguments.tag,
        image.digest(),
        mib(image.size()),
        mib(binary.len()),
        archive.display(),
    );
    Ok(ExitCode::SUCCESS)
}

/// What is shipped runs on every system, whatever it has for a C library.
fn check_target(profile: &str, target: &str) -> Result<()> {
    let machine = std::env::consts::ARCH;
    ensure!(
        profile != SHIPPED || target.ends_with("-musl"),
        "an image that is shipped is linked with musl, and its compiler or target is not here: \
         apt-get install musl-tools, which brings {machine}-linux-musl-gcc, and rustup target \
         add {machine}-unknown-linux-musl; for an image to try things with, --profile dev; with \
         a container engine, docker build ."
    );
    Ok(())
}

fn check_size(profile: &str, size: usize) -> Result<()> {
    ensure!(
        profile != SHIPPED || size < LARGEST,
        "the image takes {size} bytes, and {LARGEST} at most are shipped: see what has grown, for \
         example with cargo bloat --profile image --package devportal --crates, or raise LARGEST \
         in xtask/src/image.rs with the reason"
    );
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn mib(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// What it is built from.
struct Source {
    commit: String,
    /// Of the commit, RFC 3339.
    time: String,
}

async fn source() -> Result<Source> {
    let line = ["log", "-1", "--format=%h %cd", "--abbrev=12"];
    let output = Command::new("git")
        .args(line)
        .arg("--date=format-local:%Y-%m-%dT%H:%M:%SZ")
        .env("TZ", "UTC")
        .current_dir(repository())
        .output()
        .await?;
    let text = String::from_utf8(output.stdout)?;
    let (commit, time) = text.trim().split_once(' ').context("git names no commit")?;
    let changes = Command::new("git")
        .args(["status", "--porcelain"])
        .current_dir(repository())
        .output()
        .await?;
    let dirty = if changes.stdout.is_empty() {
        ""
    } else {
        "-dirty"
    };
    Ok(Source {
        commit: format!("{commit}{dirty}"),
        time: time.to_owned(),
    })
}

/// The program without anything that it would have to find on a system. With musl where
/// there is its compiler (`musl-tools` of Debian) and that target is installed or can be,
/// else with the C library of this machine, which looks names up by itself since version
/// 2.34.
async fn target() -> Result<String> {
    let machine = std::env::consts::ARCH;
    let musl = format!("{machine}-unknown-linux-musl");
    let has_compiler = is_on_path(&format!("{machine}-linux-musl-gcc"));
    Ok(
        if has_compiler && (has_target(&musl).await? || add_target(&musl).await) {
            musl
        } else {
            format!("{machine}-unknown-linux-gnu")
        },
    )
}

async fn build(target: &str, profile: &str, source: &Source) -> Result<PathBuf> {
    let folder = repository().join("target/static");
    // Where this checkout and cargo's files lie is nobody's business, and differs.
    let home = std::env::var("CARGO_HOME")
        .or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")))?;
    let flags = [
        "-Ctarget-feature=+crt-static".to_owned(),
        format!("--remap-path-prefix={}=/devportal", repository().display()),
        format!("--remap-path-prefix={home}=/cargo"),
    ];
    let output = cargo()
        .args([
            "build",
            "--package",
            "devportal",
            "--profile",
            profile,
            "--target",
            target,
        ])
        .arg("--target-dir")
        .arg(&folder)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .env("DEVPORTAL_COMMIT", &source.commit)
        // C code that notes when it was compiled notes this.
        .env("SOURCE_DATE_EPOCH", "0")
        // A third of the program, which nobody reads in an image.
        .env("CARGO_PROFILE_DEV_DEBUG", "none")
        .current_dir(repository())
        .kill_on_drop(true)
        .output()
        .await?;
    ensure!(
        output.status.success(),
        "it does not build:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let built = if profile == DEV { "debug" } else { profile };
    Ok(folder.join(target).join(built).join("devportal"))
}

fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

async fn has_target(target: &str) -> Result<bool> {
    let line = ["--print", "target-libdir", "--target", target];
    let output = Command::new("rustc").args(line).output().await?;
    let folder = String::from_utf8(output.stdout)?;
    Ok(output.status.success() && Path::new(folder.trim()).is_dir())
}

/// Whether rustup could bring it. Where there is no way to the internet it cannot.
async fn add_target(target: &str) -> bool {
    let line = ["target", "add", target];
    let output = Command::new("rustup")
        .args(line)
        .current_dir(repository())
        .output()
        .await;
    output.is_ok_and(|it| it.status.success())
}

/// Whether an ELF program names no interpreter, which would load shared libraries.
fn is_static(program: &[u8]) -> bool {
    const INTERPRETER: u32 = 3;
    let number = |at: usize, size: usize| {
        let bytes = program.get(at..at + size).unwrap_or_default();
        bytes
            .iter()
            .rev()
            .fold(0_usize, |sum, it| sum << 8 | usize::from(*it))
    };
    let (table, size, count) = (number(32, 8), number(54, 2), number(56, 2));
    program.starts_with(b"\x7fELF")
        && (0..count).all(|it| number(table + it * size, 4) != INTERPRETER as usize)
}

/// An image: blobs by digest, and the index that names the manifest.
struct Image {
    blobs: Vec<(String, Vec<u8>)>,
    index: Value,
}

impl Image {
    /// A small one takes its time, minutes with a large program.
    fn of(program: &[u8], source: &Source, tag: &str, is_small: bool) -> Result<Self> {
        let tar = layer(program)?;
        let diff = digest(&tar);
        let (layer, kind) = if is_small {
            (compressed(&tar)?, "tar+gzip")
        } else {
            (tar, "tar")
        };
        let kind = format!("application/vnd.oci.image.layer.v1.{kind}");
        let labels = json!({
            "org.opencontainers.image.title": "devportal",
            "org.opencontainers.image.description": "Self-service API access for Kubernetes",
            "org.opencontainers.image.source": "https://github.com/kuadrant/devportal",
            "org.opencontainers.image.licenses": "Apache-2.0",
            "org.opencontainers.image.version": env!("CARGO_PKG_VERSION"),
            "org.opencontainers.image.revision": source.commit,
        });
        let config = serde_json::to_vec(&json!({
            "architecture": architecture()?, "os": "linux", "created": source.time,
            "config": {
                "User": format!("{USER}:{USER}"), "Entrypoint": ["/devportal"],
                "WorkingDir": "/", "Labels": labels,
            },
            "rootfs": {"type": "layers", "diff_ids": [diff]},
            "history": [{"created": source.time, "created_by": "cargo xtask image"}],
        }))?;
        let manifest = serde_json::to_vec(&json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
            "layers": [descriptor(&kind, &layer)],
            "annotations": labels,
        }))?;
        let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", &manifest);
        entry["platform"] = json!({"architecture": architecture()?, "os": "linux"});
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
        let blobs = [layer, config, manifest];
        Ok(Self {
            blobs: blobs.map(|blob| (digest(&blob), blob)).into(),
            index: json!({
                "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
                "manifests": [entry],
            }),
        })
    }

    /// The manifest's digest, by which the image is known.
    fn digest(&self) -> &str {
        self.blobs.last().map_or("", |(digest, _)| digest)
    }

    /// Bytes that are sent for it.
    fn size(&self) -> usize {
        self.blobs.iter().map(|(_, blob)| blob.len()).sum()
    }

    /// Every file of the layout.
    fn files(&self) -> Result<Vec<(String, Vec<u8>)>> {
        let layout = json!({"imageLayoutVersion": "1.0.0"});
        let mut files = vec![
            ("oci-layout".to_owned(), serde_json::to_vec(&layout)?),
            ("index.json".to_owned(), serde_json::to_vec(&self.index)?),
        ];
        files.extend(
            self.blobs.iter().map(|(digest, blob)| {
                (format!("blobs/{}", digest.replace(':', "/")), blob.clone())
            }),
        );
        Ok(files)
    }

    /// Writes the layout in the place of one that is there.
    fn write(&self, folder: &Path) -> Result<()> {
        if folder.exists() {
            ensure!(
                folder.join("oci-layout").exists(),
                "{} is there and no image layout: name another folder with --output",
                folder.display()
            );
            fs::remove_dir_all(folder)?;
        }
        for (name, bytes) in self.files()? {
            let path = folder.join(name);
            let parent = path.parent().context("a blob lies in a folder")?;
            fs::create_dir_all(parent)?;
            fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(())
    }

    /// The layout as one file.
    fn archive(&self) -> Result<Vec<u8>> {
        let mut tar = Builder::new(Vec::new());
        for (name, bytes) in self.files()? {
            append(&mut tar, EntryType::Regular, &name, 0o644, &bytes)?;
        }
        Ok(tar.into_inner()?)
    }
}

/// The program, under the operator's name for it too, the authorities that certificates
/// are checked by, and the user's name.
fn layer(program: &[u8]) -> Result<Vec<u8>> {
    let mut tar = Builder::new(Vec::new());
    for folder in ["etc/", "etc/ssl/", "etc/ssl/certs/"] {
        append(&mut tar, EntryType::Directory, folder, 0o755, b"")?;
    }
    append(
        &mut tar,
        EntryType::Regular,
        AUTHORITIES,
        0o644,
        authorities().as_bytes(),
    )?;
    let user = format!("nonroot:x:{USER}:{USER}:nonroot:/:/sbin/nologin\n");
    append(
        &mut tar,
        EntryType::Regular,
        "etc/passwd",
        0o644,
        user.as_bytes(),
    )?;
    let group = format!("nonroot:x:{USER}:\n");
    append(
        &mut tar,
        EntryType::Regular,
        "etc/group",
        0o644,
        group.as_bytes(),
    )?;
    append(&mut tar, EntryType::Regular, "devportal", 0o755, program)?;
    let mut manager = header(EntryType::Symlink, 0o777);
    tar.append_link(&mut manager, "manager", "devportal")?;
    Ok(tar.into_inner()?)
}

fn append(
    tar: &mut Builder<Vec<u8>>,
    entry: EntryType,
    name: &str,
    mode: u32,
    bytes: &[u8],
) -> Result<()> {
    let mut header = header(entry, mode);
    header.set_size(bytes.len() as u64);
    Ok(tar.append_data(&mut header, name, bytes)?)
}

/// Nobody's in particular, and of no time.
fn header(entry: EntryType, mode: u32) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(entry);
    header.set_mode(mode);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    header
}

/// Mozilla's, as a bundle of PEM.
fn authorities() -> String {
    let mut bundle = String::new();
    for certificate in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        bundle.push_str("-----BEGIN CERTIFICATE-----\n");
        let text = BASE64_STANDARD.encode(certificate);
        for line in text.as_bytes().chunks(64) {
            bundle.push_str(&String::from_utf8_lossy(line));
            bundle.push('\n');
        }
        bundle.push_str("-----END CERTIFICATE-----\n");
    }
    bundle
}

fn compressed(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut gzip = GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), Compression::best());
    gzip.write_all(bytes)?;
    Ok(gzip.finish()?)
}

fn descriptor(media_type: &str, blob: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": digest(blob), "size": blob.len()})
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// In the words of container images.
fn architecture() -> Result<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Ok("amd64"),
        "aarch64" => Ok("arm64"),
        other => bail!("no image is made for {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Image {
        image_of(true)
    }

    fn image_of(is_small: bool) -> Image {
        let source = Source {
            commit: "abc".to_owned(),
            time: "2026-01-02T03:04:05Z".to_owned(),
        };
        Image::of(b"a program", &source, "1.0", is_small).unwrap()
    }

    #[test]
    fn the_same_program_makes_the_same_image() {
        assert_eq!(image().digest(), image().digest());
        assert_eq!(image().archive().unwrap(), image().archive().unwrap());
    }

    #[test]
    fn what_is_not_small_holds_the_same_files() {
        let [small, large] = [true, false].map(|it| image_of(it).blobs.swap_remove(0).1);
        let mut unpacked = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&small[..]), &mut unpacked)
            .unwrap();
        assert_eq!(unpacked, large);
    }

    #[test]
    fn every_blob_is_where_its_digest_says() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("image");
        image().write(&target).unwrap();
        image().write(&target).unwrap();
        let index: Value =
            serde_json::from_slice(&fs::read(target.join("index.json")).unwrap()).unwrap();
        let manifest = read(&target, &index["manifests"][0]);
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        let config: Value = serde_json::from_slice(&read(&target, &manifest["config"])).unwrap();
        assert_eq!(config["config"]["User"], "65532:65532");
        let layer = read(&target, &manifest["layers"][0]);
        let mut tar = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&layer[..]), &mut tar)
            .unwrap();
        assert_eq!(config["rootfs"]["diff_ids"][0], digest(&tar));
        let mut archive = tar::Archive::new(&tar[..]);
        let names: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|it| it.unwrap().path().unwrap().display().to_string())
            .collect();
        assert!(names.contains(&"devportal".to_owned()) && names.contains(&"manager".to_owned()));
    }

    fn read(folder: &Path, descriptor: &Value) -> Vec<u8> {
        let name = descriptor["digest"].as_str().unwrap().replace(':', "/");
        let blob = fs::read(folder.join("blobs").join(name)).unwrap();
        assert_eq!(digest(&blob), descriptor["digest"]);
        assert_eq!(blob.len() as u64, descriptor["size"].as_u64().unwrap());
        blob
    }

    #[test]
    fn a_folder_that_is_no_image_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("mine"), "text").unwrap();
        let refused = image().write(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("--output"), "{refused}");
        assert!(folder.path().join("mine").exists());
    }

    #[test]
    fn what_is_shipped_is_linked_with_musl_and_small_and_what_to_do_is_said() {
        let gnu = "x86_64-unknown-linux-gnu";
        let refused = check_target(SHIPPED, gnu).unwrap_err().to_string();
        assert!(refused.contains("musl-tools"), "{refused}");
        let refused = check_size(SHIPPED, LARGEST).unwrap_err().to_string();
        assert!(refused.contains("cargo bloat"), "{refused}");
        check_target(SHIPPED, "x86_64-unknown-linux-musl").unwrap();
        check_size(SHIPPED, LARGEST - 1).unwrap();
        check_target(DEV, gnu).unwrap();
        check_size(DEV, LARGEST * 3).unwrap();
    }

    #[test]
    fn this_test_needs_a_linker_and_the_image_may_not() {
        let own = fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(!is_static(&own));
        assert!(!is_static(b"a program"));
    }
}

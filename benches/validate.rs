//! What `docs/benchmarks.md` reports of `kubectl mail validate`: a folder of N one-object files, 1,000 of them agencies.
//!   cargo bench --bench validate -- N

use std::fs;
use std::path::Path;
use std::time::Instant;

use mail_operator::cli::validate::{Options, validate};

type Failure = Box<dyn std::error::Error>;

const BASIS: &str = "  basis: {number: 12/STTTT-VP, date: \"2026-02-02\", issuer: Sở Thông tin và Truyền thông}\n";
const FAMILIES: [&str; 8] = ["Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Rơ Châm", "Ksor", "Đỗ"];
const MIDDLES: [&str; 6] = ["Thị Như", "Văn", "Đình", "Thị", "Minh", "H'"];
const GIVENS: [&str; 7] = ["Quỳnh", "Nguyên", "An", "Bình", "Thủy", "Đạt", "Hạnh"];

fn main() -> Result<(), Failure> {
    let number = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(20_000);
    let folder = tempfile::tempdir()?;
    write(folder.path(), number)?;
    for _ in 0..3 {
        let start = Instant::now();
        let report = validate(&[folder.path().into()], &Options::default())?;
        let errors = report.has_errors();
        println!("validate files={} seconds={:.2} errors={errors}", report.files, start.elapsed().as_secs_f64());
    }
    Ok(())
}

fn write(folder: &Path, number: usize) -> Result<(), Failure> {
    let agencies = number.min(1000);
    for i in 0..number {
        let head = "apiVersion: mail.gialai.gov.vn/v1alpha1\nkind: ";
        let text = if i < agencies {
            format!(
                "{head}Agency\nmetadata:\n  name: a-{i}\nspec:\n  systemRef: {{name: gialai}}\n  level: Province\n  \
                 name: Sở Thông tin và Truyền thông\n  initials: a{i}\n{BASIS}"
            )
        } else {
            let (family, middle, given) = (FAMILIES[i % 8], MIDDLES[i / 8 % 6], GIVENS[i / 48 % 7]);
            let agency = i % agencies;
            format!(
                "# One person, one file\n{head}Mailbox\nmetadata:\n  name: nv-{i}\nspec:\n  agencyRef: {{name: a-{agency}}}\n  \
                 fullName: {family} {middle} {given}\n  title: Chuyên viên\n{BASIS}"
            )
        };
        let below = folder.join(format!("a-{}", i % agencies));
        fs::create_dir_all(&below)?;
        fs::write(below.join(format!("{i}.yaml")), text)?;
    }
    Ok(())
}

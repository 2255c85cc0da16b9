import ArgumentParser
import Weft

/// A script that runs the same command as a job.
enum JobScript: String, CaseIterable, ExpressibleByArgument {
  case slurm

  /// The script; what a site has to fill in is marked.
  func script(_ options: RunOptions, _ layout: Layout) throws(Failure) -> String {
    let perTask = options.backend == .mpi ? "" : "#SBATCH --gpus-per-task=1\n"
    var words = GlobalOptions.commandLine.split(separator: " ").map(String.init)
    words = Self.without("--export-job", in: words)
    if options.launcher == nil { words += ["--launcher", "srun"] }
    return """
      #!/bin/bash
      #SBATCH --job-name=weft-run
      #SBATCH --nodes=\(layout.nodes)
      #SBATCH --ntasks=\(layout.ranks)
      #SBATCH --ntasks-per-node=\(layout.ranksPerNode)
      \(perTask)#SBATCH --time=00:30:00
      # Fill in what your site asks for, for example
      #   Perlmutter: --account=..., --qos=regular, --constraint=gpu
      #   Vista:      --account=..., --partition=gh
      set -euo pipefail
      # The folder of the submission is where plans and samples go; all nodes have to see it.
      cd "${SLURM_SUBMIT_DIR:-.}"
      export WEFT_RUNTIME="${WEFT_RUNTIME:-}"
      # NVSHMEM between nodes: libfabric on Slingshot (Perlmutter), its own verbs on InfiniBand.
      if [ -d /opt/cray/libfabric ]; then
        export NVSHMEM_REMOTE_TRANSPORT=libfabric NVSHMEM_LIBFABRIC_PROVIDER=cxi
        export FI_CXI_RDZV_THRESHOLD=0
      fi
      \(words.joined(separator: " "))

      """
  }

  /// A command line without a flag and its value.
  private static func without(_ flag: String, in words: [String]) -> [String] {
    var kept: [String] = []
    var skipsNext = false
    for word in words {
      if skipsNext {
        skipsNext = false
      } else if word == flag {
        skipsNext = true
      } else if !word.hasPrefix(flag + "=") {
        kept.append(word)
      }
    }
    return kept
  }
}

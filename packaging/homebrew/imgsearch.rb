# A formula for Homebrew. Not run by us; see packaging/README.md.
#
# Fill in `homepage`, and as `url` and `sha256` those of a tagged version's source archive. The offline model, ONNX Runtime and the names of towns are
# installed by the user with `imgsearch setup`, because a formula may not download anything by itself.
class Imgsearch < Formula
  desc "Find your own photos by what they show"
  homepage "https://example.org/imgsearch"
  url "https://example.org/imgsearch-0.1.0.tar.gz"
  sha256 "0000000000000000000000000000000000000000000000000000000000000000"
  license any_of: ["MIT", "Apache-2.0"]

  depends_on "nasm" => :build
  depends_on "rust" => :build
  depends_on "libheif"
  depends_on "onnxruntime"

  def install
    system "cargo", "install", *std_cargo_args
    generate_completions_from_executable(bin/"imgsearch", "completions")
    system bin/"imgsearch", "man", "--out", "man"
    man1.install Dir["man/*.1"]
  end

  def caveats
    <<~EOS
      `imgsearch setup offline text places` installs the offline model, the text model and the names of towns.
      `imgsearch models pull clip-b32` downloads a better model.
    EOS
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/imgsearch --version")
  end
end

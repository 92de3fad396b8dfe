"""A JVM's threads pack and hold memory outside its heap, and get the sums that they get without the preload."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from preload import check, need, run, run_plain, scratch

PROGRAM = """
import java.util.concurrent.*;
import java.util.stream.*;
import java.util.zip.*;
public class Threads {
    static long work(int seed) {
        CRC32 sum = new CRC32();
        for (int i = 0; i < 30; i++) { // zlib and direct buffers take their memory from malloc
            byte[] packed = new byte[200000];
            Deflater deflater = new Deflater();
            deflater.setInput(("" + seed + i).repeat(20000).getBytes());
            deflater.finish();
            sum.update(packed, 0, deflater.deflate(packed));
            deflater.end();
            java.nio.ByteBuffer.allocateDirect(1 << 16).putLong(0, i);
        }
        return sum.getValue();
    }
    public static void main(String[] arguments) throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(8);
        for (Future<Long> sum : threads.invokeAll(IntStream.range(0, 32).mapToObj(i -> (Callable<Long>)() -> work(i)).toList()))
            System.out.println(sum.get());
        threads.shutdown();
    }
}
"""


def main():
    java = need("java", "openjdk-17-jdk-headless")
    need("javac", "openjdk-17-jdk-headless")
    with scratch() as directory:
        source = directory / "Threads.java"
        source.write_text(PROGRAM)
        want = run_plain([java, source])
        check(len(want.splitlines()) == 32, "java does not work without the preload")
        check(run([java, source]) == want, "java gets other sums")


main()

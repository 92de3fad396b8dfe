"""php and its extensions, each a library opened with RTLD_DEEPBIND, print what they print without the preload."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from preload import check, need, run, run_plain, scratch, skip

EXTENSIONS = ("mbstring", "dom", "SimpleXML", "xmlwriter", "xmlreader", "xsl", "sqlite3", "pdo_sqlite", "curl", "intl", "bcmath", "gmp")

SCRIPT = r"""<?php
function rows(int $count): array {
    $rows = [];
    for ($i = 0; $i < $count; $i++)
        $rows[] = ['id' => $i, 'name' => 'name' . $i * 7919 % 60013, 'text' => str_repeat("Zeile äöü $i ", $i % 50)];
    return $rows;
}
$rows = rows(4000);
sort($rows);
echo get_loaded_extensions() ? 'extensions ' . count(get_loaded_extensions()) : '', "\n";

echo mb_strtoupper($rows[77]['text']), mb_strlen(mb_convert_encoding($rows[99]['text'], 'UTF-16', 'UTF-8')), "\n";
mb_regex_encoding('UTF-8');
echo mb_ereg_replace('[äö]+', '_', $rows[49]['text']), count(mb_split('ü', $rows[99]['text'])), "\n";

$document = new DOMDocument();
$document->appendChild($root = $document->createElement('rows'));
foreach ($rows as $row) {
    $root->appendChild($node = $document->createElement('row', htmlspecialchars($row['text'])));
    $node->setAttribute('name', $row['name']);
}
$xml = $document->saveXML();
echo strlen($xml), ' ', md5($xml), ' ', (new DOMXPath($document))->query('//row[@name="name7919"]')->length, "\n";
$simple = simplexml_load_string($xml);
echo count($simple->row), ' ', $simple->row[7]['name'], "\n";
$parser = xml_parser_create();
$starts = 0;
xml_set_element_handler($parser, function () use (&$starts) { $starts++; }, function () {});
xml_parse($parser, $xml, true);
echo $starts, "\n";
$reader = new XMLReader();
$reader->XML($xml);
for ($nodes = 0; $reader->read(); $nodes++);
$writer = new XMLWriter();
$writer->openMemory();
$writer->startElement('a');
$writer->writeAttribute('b', $rows[99]['text']);
$writer->endElement();
echo $nodes, ' ', md5($writer->outputMemory()), "\n";
$style = new DOMDocument();
$style->loadXML('<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:output method="text"/>' .
    '<xsl:template match="row"><xsl:value-of select="@name"/>,</xsl:template></xsl:stylesheet>');
$processor = new XSLTProcessor();
$processor->importStylesheet($style);
echo md5($processor->transformToXml($document)), "\n";

$base = new SQLite3(':memory:');
$base->exec('CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT, text TEXT)');
$insert = $base->prepare('INSERT INTO item VALUES(:id, :name, :text)');
$base->exec('BEGIN');
foreach ($rows as $row) {
    foreach ($row as $key => $value)
        $insert->bindValue(":$key", $value);
    $insert->execute();
}
$base->exec('COMMIT');
$base->createFunction('backwards', 'strrev');
echo $base->querySingle('SELECT count(*) || max(backwards(name)) || sum(length(text)) FROM item'), "\n";
$pdo = new PDO('sqlite::memory:');
$pdo->exec('CREATE TABLE t(a, b)');
for ($i = 0; $i < 500; $i++)
    $pdo->prepare('INSERT INTO t VALUES(?, ?)')->execute([$i, str_repeat('x', $i)]);
echo json_encode($pdo->query('SELECT sum(a), max(length(b)) FROM t')->fetch(PDO::FETCH_ASSOC)), "\n";

$curl = curl_init('file://' . __FILE__);
curl_setopt($curl, CURLOPT_RETURNTRANSFER, true);
echo md5(curl_exec($curl)), "\n";
$multi = curl_multi_init();
for ($i = 0; $i < 20; $i++) {
    curl_multi_add_handle($multi, $handles[] = $handle = curl_init('file://' . __FILE__));
    curl_setopt($handle, CURLOPT_RETURNTRANSFER, true);
}
do { curl_multi_exec($multi, $running); } while ($running);
echo strlen(implode('', array_map('curl_multi_getcontent', $handles))), "\n";

echo (new NumberFormatter('de_DE', NumberFormatter::CURRENCY))->formatCurrency(1234567.891, 'EUR'), ' ';
echo implode(' ', array_map(fn($name) => (new Collator('de_DE'))->compare($name, 'name5'), ['name4', 'Näme5', 'o'])), "\n";
echo bcpow('3', '2000'), "\n", gmp_strval(gmp_powm(gmp_fact(300), 7, gmp_pow(10, 90))), "\n";

function tree(int $depth): array { return $depth ? [tree($depth - 1), tree($depth - 1), new ArrayObject([$depth])] : []; }
for ($i = 0; $i < 20; $i++) {
    $cycle = new stdClass();
    $cycle->self = [$cycle, tree(10)];
}
echo gc_collect_cycles() > 0 ? 'cycles' : 'none', ' ', md5(serialize(tree(12))), ' ', strlen(gzencode(serialize($rows), 6)), "\n";
echo md5(preg_replace_callback('/\d+/', fn($match) => $match[0] + 1, implode(',', array_column($rows, 'name')))), "\n";
"""


def main():
    php = need("php", "php-cli")
    missing = set(EXTENSIONS) - set(run_plain([php, "-m"]).split())
    if missing:
        skip(f"php has no {' '.join(sorted(missing))}: apt-get install php-mbstring php-xml php-sqlite3 php-curl php-intl php-bcmath php-gmp")
    with scratch() as directory:
        script = directory / "script.php"
        script.write_text(SCRIPT)
        want = run_plain([php, script])
        check(len(want.splitlines()) > 15 and "Warning" not in want, f"php does not work without the preload: {want[-200:]}")
        check(run([php, script]) == want, "php prints something else")
        jit = [php, "-d", "opcache.enable_cli=1", "-d", "opcache.jit=tracing", "-d", "opcache.jit_buffer_size=16M", script]
        check(run(jit) == want, "php with its just-in-time compiler prints something else")


main()

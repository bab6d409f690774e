import Mustache

/// The page's templates. They are part of the program, so that an installed one has them.
enum PageTemplate {
  /// - Throws: when a template does not parse, which a test would have found.
  static func render(_ view: PageView) throws -> String {
    let library = MustacheLibrary(templates: [
      "page": try MustacheTemplate(string: page), "block": try MustacheTemplate(string: block),
      "gallery": try MustacheTemplate(string: gallery), "strip": try MustacheTemplate(string: strip),
    ])
    return library.render(view, withTemplate: "page") ?? ""
  }

  private static let page = """
    <!DOCTYPE html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
    <title>{{title}}</title>
    <style>{{{style}}}</style>
    </head>
    <body>
    <header id="top">
    <p class="kind">{{kinds}}</p>
    <h1>{{title}}</h1>
    {{#summary}}<p class="finding">{{.}}</p>
    {{/summary}}
    <nav aria-label="Sections">{{#sections}}<a href="#{{id}}">{{title}}</a>{{/sections}}</nav>
    </header>
    <main>
    {{#sections}}
    <section id="{{id}}">
    <h2>{{title}}</h2>
    {{#introduction}}<p>{{.}}</p>
    {{/introduction}}
    {{#blocks}}{{> block}}{{/blocks}}
    </section>
    {{/sections}}
    </main>
    <footer>
    {{#notes}}<p>Note: {{.}}</p>
    {{/notes}}
    <p>Made by {{program}}. The same content as data: <a href="{{dataFile}}">{{dataFile}}</a>. <a href="#top">To the top</a></p>
    </footer>
    </body>
    </html>

    """

  private static let block = """
    {{#figures}}<figure{{#isHalf}} class="half"{{/isHalf}}>{{#titles}}<h3>{{.}}</h3>{{/titles}}<div class="scroll">{{{markup}}}</div>{{#captions}}<figcaption>{{.}}</figcaption>{{/captions}}</figure>
    {{/figures}}
    {{#tables}}<div class="scroll" tabindex="0"><table><thead><tr>{{#columns}}<th scope="col"{{#isNumber}} class="number"{{/isNumber}}>{{text}}</th>{{/columns}}</tr></thead><tbody>
    {{#rows}}<tr>{{#cells}}<td{{#isNumber}} class="number"{{/isNumber}}>{{text}}</td>{{/cells}}</tr>
    {{/rows}}</tbody></table></div>
    {{/tables}}
    {{#galleries}}{{> gallery}}{{/galleries}}
    {{#strips}}{{> strip}}{{/strips}}
    {{#details}}<details{{#isOpen}} open{{/isOpen}}><summary>{{title}}</summary>
    {{#blocks}}{{> block}}{{/blocks}}
    </details>
    {{/details}}
    {{#codes}}<p class="code-title">{{title}}</p><pre tabindex="0"><code>{{text}}</code></pre>
    {{/codes}}
    {{#lists}}<dl>{{#facts}}<dt>{{name}}</dt><dd>{{value}}</dd>{{/facts}}</dl>
    {{/lists}}
    """

  /// Views are chosen by radio buttons and enlargements by links, so that everything works without scripts.
  private static let gallery = """
    <div class="gallery{{#size}}{{#isPixelated}} pixelated{{/isPixelated}}{{/size}}" id="{{id}}">
    {{#titles}}<h3>{{.}}</h3>{{/titles}}
    {{#hasPairs}}<input type="radio" name="{{id}}-view" id="{{id}}-side" class="view-side" checked><label for="{{id}}-side">Side by side</label>
    <input type="radio" name="{{id}}-view" id="{{id}}-flicker" class="view-flicker"><label for="{{id}}-flicker">Flicker with the first</label>
    <input type="radio" name="{{id}}-view" id="{{id}}-difference" class="view-difference"><label for="{{id}}-difference">Difference</label>
    {{/hasPairs}}
    <style>{{{declarations}}}</style>
    <div class="scroll" tabindex="0"><table class="images{{#isNarrow}} narrow{{/isNarrow}}"><thead><tr><th scope="col">image</th>{{#names}}<th scope="col">{{.}}</th>{{/names}}</tr></thead><tbody>
    {{#rows}}<tr><th scope="row">{{name}}</th>{{#cells}}<td><div class="cell" id="{{id}}" data-name="{{description}}"><a href="#{{id}}" title="Enlarge"><span class="stack"><img class="own" src="data:image/png;base64,{{data}}" alt="{{description}}" width="{{size.width}}" height="{{size.height}}">{{#differences}}<img class="difference" src="data:image/png;base64,{{.}}" alt="Difference: {{description}}" width="{{size.width}}" height="{{size.height}}">{{/differences}}{{#references}}<i class="reference" style="background-image:var(--{{.}})"></i>{{/references}}</span></a><a class="close" href="#images">Close</a></div>{{#captions}}<small>{{.}}</small>{{/captions}}</td>{{/cells}}</tr>
    {{/rows}}</tbody></table></div>
    </div>

    """

  private static let strip = """
    {{#titles}}<h3>{{.}}</h3>{{/titles}}
    <div class="scroll strip{{#size}}{{#isPixelated}} pixelated{{/isPixelated}}{{/size}}" tabindex="0"><table class="images"><thead><tr><th scope="col">step</th>{{#columns}}<th scope="col">{{.}}</th>{{/columns}}</tr></thead><tbody>
    {{#rows}}<tr><th scope="row">{{name}}</th>{{#frames}}<td><img src="data:image/png;base64,{{data}}" alt="{{description}}" width="{{size.width}}" height="{{size.height}}"></td>{{/frames}}</tr>
    {{/rows}}</tbody></table></div>

    """
}

/* The programs that call an API with a key, one function for each language. */
import type { Place } from './snippets';

type Quote = (text: string) => string;

export function javascript(url: string, place: Place, q: Quote): string {
  if (place.in === 'query') {
    return `const url = new URL(${q(url)});
url.searchParams.set(${q(place.name)}, process.env.API_KEY);
const response = await fetch(url);
console.log(response.status, await response.text());
`;
  }
  const value = place.before
    ? `${q(place.before)} + process.env.API_KEY`
    : 'process.env.API_KEY';
  return `const response = await fetch(${q(url)}, {
  headers: { ${q(place.name)}: ${value} },
});
console.log(response.status, await response.text());
`;
}

export function python(url: string, place: Place, q: Quote): string {
  if (place.in === 'query') {
    return `import os
import urllib.parse
import urllib.request

query = urllib.parse.urlencode({${q(place.name)}: os.environ["API_KEY"]})
url = ${q(url + (url.includes('?') ? '&' : '?'))} + query
with urllib.request.urlopen(url) as response:
    print(response.status, response.read().decode())
`;
  }
  const value = place.before
    ? `${q(place.before)} + os.environ["API_KEY"]`
    : 'os.environ["API_KEY"]';
  return `import os
import urllib.request

request = urllib.request.Request(
    ${q(url)},
    headers={${q(place.name)}: ${value}},
)
with urllib.request.urlopen(request) as response:
    print(response.status, response.read().decode())
`;
}

export function go(url: string, place: Place, q: Quote): string {
  const authenticate =
    place.in === 'query'
      ? `	query := request.URL.Query()
	query.Set(${q(place.name)}, os.Getenv("API_KEY"))
	request.URL.RawQuery = query.Encode()`
      : `	request.Header.Set(${q(place.name)}, ${
          place.before ? `${q(place.before)}+` : ''
        }os.Getenv("API_KEY"))`;
  return `package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
)

func main() {
	request, err := http.NewRequest("GET", ${q(url)}, nil)
	if err != nil {
		log.Fatal(err)
	}
${authenticate}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(response.StatusCode, string(body))
}
`;
}

export function rust(url: string, place: Place, q: Quote): string {
  const authenticate =
    place.in === 'query'
      ? `.query(${q(place.name)}, &key)`
      : `.header(${q(place.name)}, ${
          place.before ? `${q(place.before)}.to_owned() + &key` : '&key'
        })`;
  return `// cargo add ureq@3
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let key = std::env::var("API_KEY")?;
    let mut response = ureq::get(${q(url)})
        ${authenticate}
        .call()?;
    println!("{} {}", response.status(), response.body_mut().read_to_string()?);
    Ok(())
}
`;
}

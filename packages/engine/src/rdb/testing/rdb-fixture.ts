/**
 * A file that redis-server 7.0.15 wrote, with nodes of three entries. For tests.
 *
 *   0   s      stream: 1-1 f one n 7 │ 2-0 g 2^64-1 │ 18446744073709551615-3 f aaaa…, 1-2 deleted
 *              group g: 1-1 and 1-2 pending for alice, 2-0 for bob, nothing for carol; group h: at the end
 *       text   "value", expires
 *   3   n 12, big 100000, b 1000, z zzzz…        a number of 8, 32 and 16 bits, and LZF
 */
export const rdbFixture = Uint8Array.from(
  Buffer.from(
    [
      'UkVESVMwMDEw+glyZWRpcy12ZXIGNy4wLjE1+gpyZWRpcy1iaXRzwED6BWN0aW1lwj7VBGv6CHVzZWQtbWVtwohvEQD6CGFvZi1iYXNlwAD+AP',
      'sCAfyh41dTuQEAAAAEdGV4dAV2YWx1ZRMBcwIQAAAAAAAAAAEAAAAAAAAAAUBYWAAAABkAAgEBAQIBgWYCgW4CAAECAQABAAGDb25lBAcBBQED',
      'AQABAQGDdHdvBN7UAgUBAAEBAd//AgEBgWcClDE4NDQ2NzQ0MDczNzA5NTUxNjE1FQYB/xD//////////wAAAAAAAAADwyJARAdEAAAACgABAS',
      'ACBgGBZgIAAQIgCgMAAahh4B4AAykEAf8Dgf//////////AwEBAQIEAgFnAgADAwAAAAAAAAABAAAAAAAAAAGK++AKogEAAAEAAAAAAAAAAQAA',
      'AAAAAAACivvgCqIBAAABAAAAAAAAAAIAAAAAAAAAAI774AqiAQAAAQMFYWxpY2WK++AKogEAAAIAAAAAAAAAAQAAAAAAAAABAAAAAAAAAAEAAA',
      'AAAAAAAgNib2KO++AKogEAAAEAAAAAAAAAAgAAAAAAAAAABWNhcm9skvvgCqIBAAAAAWiB//////////8Dgf//////////AAD+A/sEAAABesMJ',
      'KwF6euAeAAF6egABYsHoAwADYmlnwqCGAQAAAW7ADP+CHgpARr6VRw==',
    ].join(''),
    'base64',
  ),
)
